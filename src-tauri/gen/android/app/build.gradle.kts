import groovy.json.JsonSlurper
import java.util.Properties
import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
    id("rust")
}

val tauriProperties = Properties().apply {
    val propFile = file("tauri.properties")
    if (propFile.exists()) {
        propFile.inputStream().use { load(it) }
    }
}

/**
 * btleplug's Java half, from the very version that Cargo.lock names: native and Java code of two versions would not
 * find each other's methods. With what it lacks (`btleplug.patch`: scan modes, refused scans, links that are closed
 * whenever they end), until a release of it has that. A version that the patch does not fit ends the build.
 */
val btleplugJava: File = run {
    val metadata = providers.exec {
        workingDir = rootDir.resolve("../../..")
        commandLine("cargo", "metadata", "--format-version=1", "--locked", "--filter-platform=aarch64-linux-android")
    }.standardOutput.asText.get()
    val packages = (JsonSlurper().parseText(metadata) as Map<*, *>)["packages"] as List<*>
    val btleplug = packages.map { it as Map<*, *> }.single { it["name"] == "btleplug" }
    val theirs = File(btleplug["manifest_path"] as String).resolveSibling("src/droidplug/java/src/main/java")
    // In one call, which can be made again: Gradle makes it on its own to see whether what it remembers still holds.
    val copy = "rm -rf .btleplug && cp -R \"$1\" .btleplug && chmod -R u+w .btleplug && patch --quiet -d .btleplug -p1 -i ../btleplug.patch"
    providers.exec {
        workingDir = rootDir
        commandLine("sh", "-c", copy, "sh", theirs.path)
    }.result.get().assertNormalExitValue()
    rootDir.resolve(".btleplug")
}

val unversioned = "app/tauri.properties names no version: build by Tauri's CLI, which writes it"

android {
    compileSdk = 37
    namespace = "app.postern"
    defaultConfig {
        manifestPlaceholders["usesCleartextTraffic"] = "false"
        applicationId = "app.postern"
        minSdk = 26
        // Not 37: from there on Android 17 blocks addresses of the local network, where a building's hub may be, for apps that do
        // not ask for it.
        targetSdk = 36
        // Written by Tauri's CLI. Without it each release would be the first one again, and a store takes no version twice.
        versionCode = tauriProperties.getProperty("tauri.android.versionCode")?.toInt() ?: throw GradleException(unversioned)
        versionName = tauriProperties.getProperty("tauri.android.versionName") ?: throw GradleException(unversioned)
    }
    buildTypes {
        getByName("debug") {
            manifestPlaceholders["usesCleartextTraffic"] = "true"
            isDebuggable = true
            isJniDebuggable = true
            isMinifyEnabled = false
            packaging {
                jniLibs.keepDebugSymbols.add("*/arm64-v8a/*.so")
                jniLibs.keepDebugSymbols.add("*/armeabi-v7a/*.so")
                jniLibs.keepDebugSymbols.add("*/x86/*.so")
                jniLibs.keepDebugSymbols.add("*/x86_64/*.so")
            }
        }
        getByName("release") {
            optimization {
               enable = true
            }
            proguardFiles(
                *fileTree(".") {
                  include("**/*.pro")
                  exclude("build/**")
                }.files.toTypedArray()
            )
        }
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }
    buildFeatures {
        buildConfig = true
    }
    sourceSets {
        getByName("main").java.srcDir(btleplugJava)
    }
}

kotlin {
    compilerOptions {
        jvmTarget = JvmTarget.JVM_1_8
    }
}

rust {
    rootDirRel = "../../../"
}

dependencies {
    implementation("androidx.webkit:webkit:1.14.0")
    implementation("androidx.appcompat:appcompat:1.7.1")
    implementation("androidx.activity:activity-ktx:1.10.1")
    implementation("com.google.android.material:material:1.12.0")
    implementation("androidx.lifecycle:lifecycle-process:2.10.0")
    testImplementation("junit:junit:4.13.2")
    androidTestImplementation("androidx.test.ext:junit:1.1.4")
    androidTestImplementation("androidx.test.espresso:espresso-core:3.5.0")
}

apply(from = file("tauri.build.gradle.kts"))
