package androidx.core.content;

import android.content.Context;
import android.net.Uri;
import java.io.File;

public class FileProvider {
    /** As `file_paths.xml` has it: what is in `cache/shared`, and nothing else. */
    public static Uri getUriForFile(Context context, String authority, File file) {
        if (!file.getParentFile().equals(new File(context.getCacheDir(), "shared"))) {
            throw new IllegalArgumentException("not a file that is lent out: " + file);
        }
        return Uri.parse("content://" + authority + "/shared/" + file.getName());
    }
}
