package app.postern

import android.content.ContentResolver
import android.content.ContentValues
import android.content.Context
import android.content.Intent
import android.net.Uri
import android.os.Build
import android.provider.MediaStore
import androidx.core.content.FileProvider
import java.io.File
import java.io.IOException

/** Files that a customer keeps: where they find them again, and the app's end does not take them along. */
object Files {
  /**
   * In the downloads of the phone. Up to Android 9 these want a permission for all files; there the customer chooses an
   * app that takes it. False where it could not be written.
   */
  @JvmStatic
  fun save(application: Context, name: String, type: String, contents: ByteArray): Boolean =
    try {
      if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
        download(application, name, type, contents)
      } else {
        share(application, name, type, contents)
      }
    } catch (_: IOException) {
      false
    } catch (_: RuntimeException) {
      // The provider of files is another app's, and may refuse in any way.
      false
    }

  private fun download(application: Context, name: String, type: String, contents: ByteArray): Boolean {
    val resolver = application.contentResolver
    val entry = ContentValues()
    entry.put(MediaStore.MediaColumns.DISPLAY_NAME, name)
    entry.put(MediaStore.MediaColumns.MIME_TYPE, type)
    // Nobody sees half of it.
    entry.put(MediaStore.MediaColumns.IS_PENDING, 1)
    val place = resolver.insert(MediaStore.Downloads.EXTERNAL_CONTENT_URI, entry) ?: return false
    var whole = false
    try {
      val out = resolver.openOutputStream(place) ?: return false
      out.use { it.write(contents) }
      val done = ContentValues()
      done.put(MediaStore.MediaColumns.IS_PENDING, 0)
      whole = resolver.update(place, done, null, null) == 1
    } finally {
      // Whatever went wrong: a half that nobody sees takes room for a week.
      if (!whole) forget(resolver, place)
    }
    return whole
  }

  private fun forget(resolver: ContentResolver, place: Uri) {
    try {
      resolver.delete(place, null, null)
    } catch (_: RuntimeException) {
      // What refused the whole may refuse this.
    }
  }

  private fun share(application: Context, name: String, type: String, contents: ByteArray): Boolean {
    // `file_paths.xml` lends out this folder and nothing above it.
    val folder = File(application.cacheDir, "shared")
    folder.mkdirs()
    val file = File(folder, name)
    file.writeBytes(contents)
    val uri = FileProvider.getUriForFile(application, "${application.packageName}.fileprovider", file)
    val send = Intent(Intent.ACTION_SEND).setType(type).putExtra(Intent.EXTRA_STREAM, uri)
    val flags = Intent.FLAG_GRANT_READ_URI_PERMISSION or Intent.FLAG_ACTIVITY_NEW_TASK
    application.startActivity(Intent.createChooser(send.addFlags(flags), null).addFlags(flags))
    return true
  }
}
