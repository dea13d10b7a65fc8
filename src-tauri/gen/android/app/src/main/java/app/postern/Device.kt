package app.postern

import android.content.Context
import android.os.Build
import android.provider.Settings

/** What this phone is. */
object Device {
  /**
   * A name by which its owner tells it from their other ones: the one that they gave it, or maker and model. Android's host
   * name is "localhost" on every phone.
   */
  @JvmStatic
  fun name(application: Context): String {
    val given = Settings.Global.getString(application.contentResolver, Settings.Global.DEVICE_NAME)
    if (!given.isNullOrBlank()) return given.trim()
    val (maker, model) = Build.MANUFACTURER.trim() to Build.MODEL.trim()
    return if (model.startsWith(maker, ignoreCase = true)) model else "$maker $model"
  }

  /** The first number of a version such as `138.0.7204.63`; none where it says none. */
  @JvmStatic
  fun major(version: String?): Int? = version?.substringBefore('.')?.toIntOrNull()
}
