package app.postern

import android.os.Bundle
import androidx.activity.ComponentActivity

abstract class TauriActivity : ComponentActivity() {
  override fun onCreate(savedInstanceState: Bundle?) {
    super.onCreate(savedInstanceState)
  }

  fun requestPermissions(permissions: Array<String>, listener: (Boolean?) -> Unit) {}
}
