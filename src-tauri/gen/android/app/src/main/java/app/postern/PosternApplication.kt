package app.postern

import android.app.Application

/** Lends the native half its Bluetooth before anything of it can ask for it. */
class PosternApplication : Application() {
  override fun onCreate() {
    super.onCreate()
    Bluetooth.start(this)
  }
}
