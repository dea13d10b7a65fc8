package android.content;

import android.net.Uri;
import java.io.OutputStream;

public abstract class ContentResolver {
    public final Uri insert(Uri url, ContentValues values) {
        throw new UnsupportedOperationException();
    }

    public final OutputStream openOutputStream(Uri uri) {
        throw new UnsupportedOperationException();
    }

    public final int update(Uri uri, ContentValues values, String where, String[] arguments) {
        throw new UnsupportedOperationException();
    }

    public final int delete(Uri url, String where, String[] arguments) {
        throw new UnsupportedOperationException();
    }
}
