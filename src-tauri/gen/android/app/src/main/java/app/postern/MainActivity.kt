package app.postern

import android.content.Context
import android.content.res.Configuration
import android.os.Bundle
import android.webkit.WebView
import androidx.activity.OnBackPressedCallback
import androidx.activity.enableEdgeToEdge
import com.google.android.material.dialog.MaterialAlertDialogBuilder
import kotlin.math.roundToInt

private const val PREFERENCES = "permissions"
private const val EXPLAINED = "bluetooth_explained"
/** Asks the page first (ui/src/lib/back.ts): true where something on it took the gesture. */
private const val BACK = "!document.dispatchEvent(new Event('back', { cancelable: true }))"

/** The one window. The page keeps clear of bars and notches by itself (safe areas), so it is drawn under them. */
class MainActivity : TauriActivity() {
  private var page: WebView? = null

  override fun onCreate(savedInstanceState: Bundle?) {
    enableEdgeToEdge()
    super.onCreate(savedInstanceState)
    // A rotation must not ask again while the first question is still on the screen.
    if (savedInstanceState == null) {
      askForBluetooth()
    }
  }

  /** Comes after Tauri's own answer to the back gesture is in place, so that ours is asked first. */
  override fun onWebViewCreate(webView: WebView) {
    page = webView
    scaleText(resources.configuration)
    onBackPressedDispatcher.addCallback(
      this,
      object : OnBackPressedCallback(true) {
        override fun handleOnBackPressed() = back(webView)
      },
    )
  }

  /** The page's, then the page before this one, then out of the app, which stays as it is. */
  private fun back(webView: WebView) {
    webView.evaluateJavascript(BACK) { taken ->
      if (taken != "true") {
        if (webView.canGoBack()) webView.goBack() else moveTaskToBack(true)
      }
    }
  }

  override fun onConfigurationChanged(newConfig: Configuration) {
    super.onConfigurationChanged(newConfig)
    scaleText(newConfig)
  }

  /** The system's size of text, also when it changes while the app runs: a web view looks at it once. */
  private fun scaleText(configuration: Configuration) {
    page?.settings?.textZoom = (configuration.fontScale * 100).roundToInt()
  }

  /**
   * Says what Bluetooth is for before Android asks. Once: who says no is not asked at every start. The page then says
   * that doors are opened with a code, and leads to the system's settings.
   */
  private fun askForBluetooth() {
    val preferences = getSharedPreferences(PREFERENCES, Context.MODE_PRIVATE)
    if (Bluetooth.allowed(this) || preferences.getBoolean(EXPLAINED, false)) {
      return
    }
    val rationale =
      if (Bluetooth.needsLocation) R.string.bluetooth_rationale_location else R.string.bluetooth_rationale
    MaterialAlertDialogBuilder(this)
      .setTitle(R.string.bluetooth_title)
      .setMessage(rationale)
      .setPositiveButton(R.string.bluetooth_go_on) { _, _ ->
        preferences.edit().putBoolean(EXPLAINED, true).apply()
        requestPermissions(Bluetooth.permissions) {}
      }
      .setNegativeButton(R.string.bluetooth_not_now) { _, _ ->
        preferences.edit().putBoolean(EXPLAINED, true).apply()
      }
      .show()
  }
}
