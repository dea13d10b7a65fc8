//! The device key in the Android Keystore: the private half never enters this process.
//!
//! Only classes of Android itself are called, which any thread finds, so nothing of this has a Java half in the app.
//! `tests/android_keystore.rs` runs this file on a desktop's Java, against a keystore that behaves like Android's.

use std::sync::Arc;

use jni::{
    Env, JValue, JValueOwned, JavaVM,
    errors::Error,
    jni_sig, jni_str,
    objects::{JByteArray, JObject, JString},
    signature::MethodSignature,
    strings::JNIStr,
};

use super::encoding;
use crate::{DeviceKey, DeviceKeys, DevicePublic, VaultError};

/// `KeyStore.getInstance` and the provider of its key generator.
const PROVIDER: &str = "AndroidKeyStore";
/// `KeyProperties.PURPOSE_SIGN`.
const PURPOSE_SIGN: i32 = 4;

/// One profile's key in the Keystore.
pub struct KeystoreKeys {
    alias: String,
}

impl KeystoreKeys {
    /// The key is filed under the profile's name. There must be a Java machine before its first use: on Android the
    /// app's native half is entered from Java before anything else of it runs.
    pub fn new(profile: &str) -> Self {
        Self { alias: format!("{}/{profile}/device-key", crate::keyring::SERVICE) }
    }
}

#[async_trait::async_trait]
impl DeviceKeys for KeystoreKeys {
    async fn load_or_create(&self) -> Result<(Arc<dyn DeviceKey>, bool), VaultError> {
        let alias = self.alias.clone();
        java(move |env| {
            let keystore = keystore(env)?;
            let new = !contains(env, &keystore, &alias)?;
            if new {
                // Where there is no StrongBox, or it is full, phones answer in ways of their own: with the exception that
                // the documents name, with a plain ProviderException, by not knowing the method. Whatever it was, a key
                // in the Keystore is worth more than none.
                let made = generate(env, &alias, true).and_then(|()| spki(env, &keystore, &alias));
                if let Err(failure) = made {
                    let error = VaultError::from(failure);
                    tracing::info!(code = "no_strongbox", %error, "the device key is in the Keystore, without StrongBox");
                    // Half of a key would be taken for one.
                    delete(env, &keystore, &alias)?;
                    generate(env, &alias, false)?;
                }
            }
            let public = encoding::public_of_spki(&spki(env, &keystore, &alias)?)?;
            Ok((Arc::new(KeystoreKey { alias, public }) as Arc<dyn DeviceKey>, new))
        })
        .await
    }

    async fn destroy(&self) -> Result<(), VaultError> {
        let alias = self.alias.clone();
        java(move |env| {
            let keystore = keystore(env)?;
            delete(env, &keystore, &alias)
        })
        .await
    }
}

struct KeystoreKey {
    alias: String,
    public: DevicePublic,
}

#[async_trait::async_trait]
impl DeviceKey for KeystoreKey {
    fn public(&self) -> DevicePublic {
        self.public.clone()
    }

    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], VaultError> {
        let (alias, message) = (self.alias.clone(), message.to_vec());
        java(move |env| Ok(encoding::signature_of_der(&sign(env, &alias, &message)?)?)).await
    }
}

/// What goes wrong between here and Java.
enum Failure {
    Java(Error),
    Vault(VaultError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Java(error)
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<Failure> for VaultError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Vault(error) => error,
            // The name of the exception and nothing of its text.
            Failure::Java(Error::CaughtJavaException { name, .. }) => Self::Keyring(name),
            Failure::Java(error) => Self::Keyring(error.to_string()),
        }
    }
}

/// Acts in Java on a thread that may wait: the hardware takes up to a second, and none of the runtime's may.
async fn java<T: Send + 'static>(
    act: impl FnOnce(&mut Env) -> Result<T, Failure> + Send + 'static,
) -> Result<T, VaultError> {
    let acted = tokio::task::spawn_blocking(move || {
        let vm = JavaVM::singleton().map_err(|error| VaultError::Absent(error.to_string()))?;
        vm.attach_current_thread(act).map_err(VaultError::from)
    });
    acted.await.unwrap_or_else(|_| Err(VaultError::Keyring("the call into Java did not return".into())))
}

fn keystore<'l>(env: &mut Env<'l>) -> Result<JObject<'l>, Failure> {
    let provider = env.new_string(PROVIDER)?;
    let keystore = call_static(
        env,
        jni_str!("java/security/KeyStore"),
        jni_str!("getInstance"),
        jni_sig!("(Ljava/lang/String;)Ljava/security/KeyStore;"),
        &[(&provider).into()],
    )?
    .l()?;
    let signature = jni_sig!("(Ljava/security/KeyStore$LoadStoreParameter;)V");
    call(env, &keystore, jni_str!("load"), signature, &[(&JObject::null()).into()])?;
    Ok(keystore)
}

fn contains(env: &mut Env<'_>, keystore: &JObject<'_>, alias: &str) -> Result<bool, Failure> {
    let alias = env.new_string(alias)?;
    let signature = jni_sig!("(Ljava/lang/String;)Z");
    Ok(call(env, keystore, jni_str!("containsAlias"), signature, &[(&alias).into()])?.z()?)
}

/// Forgets the key, if there is one.
fn delete(env: &mut Env<'_>, keystore: &JObject<'_>, alias: &str) -> Result<(), Failure> {
    if contains(env, keystore, alias)? {
        let alias = env.new_string(alias)?;
        let signature = jni_sig!("(Ljava/lang/String;)V");
        call(env, keystore, jni_str!("deleteEntry"), signature, &[(&alias).into()])?;
    }
    Ok(())
}

/// Makes the key. It signs SHA-256 digests and does nothing else.
fn generate(env: &mut Env<'_>, alias: &str, strongbox: bool) -> Result<(), Failure> {
    let (algorithm, provider, alias) =
        (env.new_string("EC")?, env.new_string(PROVIDER)?, env.new_string(alias)?);
    let generator = call_static(
        env,
        jni_str!("java/security/KeyPairGenerator"),
        jni_str!("getInstance"),
        jni_sig!("(Ljava/lang/String;Ljava/lang/String;)Ljava/security/KeyPairGenerator;"),
        &[(&algorithm).into(), (&provider).into()],
    )?
    .l()?;

    let builder = new(
        env,
        jni_str!("android/security/keystore/KeyGenParameterSpec$Builder"),
        jni_sig!("(Ljava/lang/String;I)V"),
        &[(&alias).into(), PURPOSE_SIGN.into()],
    )?;
    let curve = env.new_string("secp256r1")?;
    let curve = new(
        env,
        jni_str!("java/security/spec/ECGenParameterSpec"),
        jni_sig!("(Ljava/lang/String;)V"),
        &[(&curve).into()],
    )?;
    call(
        env,
        &builder,
        jni_str!("setAlgorithmParameterSpec"),
        jni_sig!(
            "(Ljava/security/spec/AlgorithmParameterSpec;)Landroid/security/keystore/KeyGenParameterSpec$Builder;"
        ),
        &[(&curve).into()],
    )?;
    let digest = env.new_string("SHA-256")?;
    let digests = env.new_object_type_array::<JString<'_>>(1, &digest)?;
    call(
        env,
        &builder,
        jni_str!("setDigests"),
        jni_sig!("([Ljava/lang/String;)Landroid/security/keystore/KeyGenParameterSpec$Builder;"),
        &[(&digests).into()],
    )?;
    if strongbox {
        call(
            env,
            &builder,
            jni_str!("setIsStrongBoxBacked"),
            jni_sig!("(Z)Landroid/security/keystore/KeyGenParameterSpec$Builder;"),
            &[true.into()],
        )?;
    }
    let signature = jni_sig!("()Landroid/security/keystore/KeyGenParameterSpec;");
    let spec = call(env, &builder, jni_str!("build"), signature, &[])?.l()?;

    let signature = jni_sig!("(Ljava/security/spec/AlgorithmParameterSpec;)V");
    call(env, &generator, jni_str!("initialize"), signature, &[(&spec).into()])?;
    call(env, &generator, jni_str!("generateKeyPair"), jni_sig!("()Ljava/security/KeyPair;"), &[])?;
    Ok(())
}

/// The public half, from the certificate that the Keystore files with each key.
fn spki(env: &mut Env<'_>, keystore: &JObject<'_>, alias: &str) -> Result<Vec<u8>, Failure> {
    let alias = env.new_string(alias)?;
    let certificate = call(
        env,
        keystore,
        jni_str!("getCertificate"),
        jni_sig!("(Ljava/lang/String;)Ljava/security/cert/Certificate;"),
        &[(&alias).into()],
    )?
    .l()?;
    if certificate.is_null() {
        return Err(VaultError::Keyring("the device key has no public half".into()).into());
    }
    let signature = jni_sig!("()Ljava/security/PublicKey;");
    let public = call(env, &certificate, jni_str!("getPublicKey"), signature, &[])?.l()?;
    let encoded = call(env, &public, jni_str!("getEncoded"), jni_sig!("()[B"), &[])?.l()?;
    bytes(env, encoded)
}

fn sign(env: &mut Env<'_>, alias: &str, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let keystore = keystore(env)?;
    let alias = env.new_string(alias)?;
    let key = call(
        env,
        &keystore,
        jni_str!("getKey"),
        jni_sig!("(Ljava/lang/String;[C)Ljava/security/Key;"),
        &[(&alias).into(), (&JObject::null()).into()],
    )?
    .l()?;
    if key.is_null() {
        return Err(VaultError::Keyring("the device key is gone".into()).into());
    }
    let algorithm = env.new_string("SHA256withECDSA")?;
    let signer = call_static(
        env,
        jni_str!("java/security/Signature"),
        jni_str!("getInstance"),
        jni_sig!("(Ljava/lang/String;)Ljava/security/Signature;"),
        &[(&algorithm).into()],
    )?
    .l()?;
    let signature = jni_sig!("(Ljava/security/PrivateKey;)V");
    call(env, &signer, jni_str!("initSign"), signature, &[(&key).into()])?;
    let message = env.byte_array_from_slice(message)?;
    call(env, &signer, jni_str!("update"), jni_sig!("([B)V"), &[(&message).into()])?;
    let signed = call(env, &signer, jni_str!("sign"), jni_sig!("()[B"), &[])?.l()?;
    bytes(env, signed)
}

fn bytes(env: &mut Env<'_>, array: JObject<'_>) -> Result<Vec<u8>, Failure> {
    let array = env.cast_local::<JByteArray<'_>>(array)?;
    Ok(env.convert_byte_array(&array)?)
}

fn call<'l, 's, 'a>(
    env: &mut Env<'l>,
    object: &JObject<'_>,
    name: &'static JNIStr,
    signature: impl AsRef<MethodSignature<'s, 'a>>,
    arguments: &[JValue<'_>],
) -> Result<JValueOwned<'l>, Failure> {
    let called = env.call_method(object, name, signature, arguments);
    caught(env, called)
}

fn call_static<'l, 's, 'a>(
    env: &mut Env<'l>,
    class: &'static JNIStr,
    name: &'static JNIStr,
    signature: impl AsRef<MethodSignature<'s, 'a>>,
    arguments: &[JValue<'_>],
) -> Result<JValueOwned<'l>, Failure> {
    let called = env.call_static_method(class, name, signature, arguments);
    caught(env, called)
}

fn new<'l, 's, 'a>(
    env: &mut Env<'l>,
    class: &'static JNIStr,
    signature: impl AsRef<MethodSignature<'s, 'a>>,
    arguments: &[JValue<'_>],
) -> Result<JObject<'l>, Failure> {
    let made = env.new_object(class, signature, arguments);
    caught(env, made)
}

/// A pending exception must be taken before Java is called again.
fn caught<T>(env: &mut Env<'_>, result: Result<T, Error>) -> Result<T, Failure> {
    if let Err(Error::JavaException) = result {
        env.exception_catch()?;
    }
    Ok(result?)
}
