package app.postern

import android.content.ActivityNotFoundException
import android.content.Intent
import android.content.res.Configuration
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.view.View
import android.view.WindowManager
import android.webkit.WebView
import androidx.activity.OnBackPressedCallback
import androidx.activity.enableEdgeToEdge
import androidx.core.view.ViewCompat
import androidx.core.view.WindowInsetsCompat
import com.google.android.material.dialog.MaterialAlertDialogBuilder
import kotlin.math.roundToInt

/** Asks the page first (ui/src/lib/back.ts): true where something on it took the gesture. */
private const val BACK = "!document.dispatchEvent(new Event('back', { cancelable: true }))"
/** From here on a web view tells the page of bars and keyboard (Chromium 441253216). */
private const val TELLS_INSETS = 140
/** What the page is written for (ui/vite.config.ts). */
private const val OLDEST_WEB_VIEW = 117

/** The one window. The page keeps clear of bars and notches by itself (safe areas), so it is drawn under them. */
class MainActivity : TauriActivity(), Bluetooth.Screen {
  private var page: WebView? = null

  override fun onCreate(savedInstanceState: Bundle?) {
    enableEdgeToEdge()
    // What is only put back as it was has been led before; and plugins read the intent, so that a link would be followed again.
    if (Tap.isOld(intent, savedInstanceState != null)) intent = Intent(Intent.ACTION_MAIN)
    lead(intent)
    super.onCreate(savedInstanceState)
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
      // The picture among the recent apps would show an opening code to whoever picks the phone up. A screenshot of one
      // is still the customer's to make.
      setRecentsScreenshotEnabled(false)
    }
  }

  override fun onNewIntent(intent: Intent) {
    super.onNewIntent(intent)
    lead(intent)
  }

  private fun lead(intent: Intent?) {
    Tap.of(intent)?.let(Native::tapped)
  }

  override fun onResume() {
    super.onResume()
    veil(false)
    Bluetooth.shown(this)
  }

  override fun onPause() {
    veil(true)
    super.onPause()
  }

  /** Up to Android 12 only a window that allows no picture at all is left out, so ours is one while it is not used. */
  private fun veil(on: Boolean) {
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) return
    val secure = WindowManager.LayoutParams.FLAG_SECURE
    if (on) window.addFlags(secure) else window.clearFlags(secure)
  }

  override fun onDestroy() {
    Bluetooth.gone(this)
    super.onDestroy()
  }

  /** Comes after Tauri's own answer to the back gesture is in place, so that ours is asked first. */
  override fun onWebViewCreate(webView: WebView) {
    page = webView
    val version = Device.major(WebView.getCurrentWebViewPackage()?.versionName)
    if (version != null && version < TELLS_INSETS) keepClear()
    if (version != null && version < OLDEST_WEB_VIEW) sayThatItIsOld()
    scaleText(resources.configuration)
    onBackPressedDispatcher.addCallback(
      this,
      object : OnBackPressedCallback(true) {
        override fun handleOnBackPressed() = back(webView)
      },
    )
  }

  /** An older web view takes bars for a part of the page, so it gets a smaller place, clear of them and of the keyboard. */
  private fun keepClear() {
    val everything: View = findViewById(android.R.id.content)
    ViewCompat.setOnApplyWindowInsetsListener(everything) { content, insets ->
      val covered =
        WindowInsetsCompat.Type.systemBars() or
          WindowInsetsCompat.Type.displayCutout() or
          WindowInsetsCompat.Type.ime()
      val clear = insets.getInsets(covered)
      content.setPadding(clear.left, clear.top, clear.right, clear.bottom)
      WindowInsetsCompat.CONSUMED
    }
  }

  /** The page may look broken, or stay white: said where that does not matter, with the way to a newer one. */
  private fun sayThatItIsOld() {
    val store = "market://details?id=${WebView.getCurrentWebViewPackage()?.packageName}"
    MaterialAlertDialogBuilder(this)
      .setTitle(R.string.web_view_title)
      .setMessage(R.string.web_view_old)
      .setPositiveButton(R.string.web_view_update) { _, _ ->
        try {
          startActivity(Intent(Intent.ACTION_VIEW, Uri.parse(store)))
        } catch (_: ActivityNotFoundException) {
          // A phone without a store: the words say what is to be updated.
        }
      }
      .setNegativeButton(R.string.bluetooth_not_now) { _, _ -> }
      .show()
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

  override fun onScreen(act: () -> Unit) = runOnUiThread(act)

  override fun explain(location: Boolean, answered: (Boolean) -> Unit) {
    val reason = if (location) R.string.bluetooth_rationale_location else R.string.bluetooth_rationale
    MaterialAlertDialogBuilder(this)
      .setTitle(R.string.bluetooth_title)
      .setMessage(reason)
      .setPositiveButton(R.string.bluetooth_go_on) { _, _ -> answered(true) }
      .setNegativeButton(R.string.bluetooth_not_now) { _, _ -> answered(false) }
      .setOnCancelListener { answered(false) }
      .show()
  }

  override fun request(permissions: Array<String>, answered: () -> Unit) {
    requestPermissions(permissions) { answered() }
  }

  override fun wouldAskAgain(permission: String): Boolean = shouldShowRequestPermissionRationale(permission)
}
