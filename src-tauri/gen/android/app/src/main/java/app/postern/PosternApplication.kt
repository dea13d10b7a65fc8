package app.postern

import android.app.Application

/** Lends the native half what only Java has, before anything of it can ask for it. */
class PosternApplication : Application() {
  override fun onCreate() {
    super.onCreate()
    Native.start(this)
    Bluetooth.begin(this, Native)
  }
}
