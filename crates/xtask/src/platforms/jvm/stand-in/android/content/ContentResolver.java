package android.content;

import android.net.Uri;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.LinkedHashMap;
import java.util.Map;

/** The phone's media store: what is pending nobody sees. */
public class ContentResolver {
    public static final class Entry {
        public final Map<String, Object> values = new LinkedHashMap<>();
        public final ByteArrayOutputStream contents = new ByteArrayOutputStream();
    }

    public final Map<Uri, Entry> entries = new LinkedHashMap<>();
    public boolean full = false;
    public boolean refuses = false;
    /** Where the provider of files throws what is no `IOException`; null where it does as it is told. */
    public RuntimeException refusesStream = null;
    public RuntimeException refusesUpdate = null;
    public RuntimeException refusesDelete = null;
    /** There is nobody to give a stream. */
    public boolean silent = false;
    /** What was inserted is gone when it is to be changed. */
    public boolean forgetful = false;

    public final Uri insert(Uri url, ContentValues values) {
        if (refuses) {
            throw new IllegalArgumentException("no such place");
        }
        Uri place = Uri.parse(url + "/" + entries.size());
        Entry entry = new Entry();
        entry.values.putAll(values.all);
        entries.put(place, entry);
        return place;
    }

    public final OutputStream openOutputStream(Uri uri) {
        if (refusesStream != null) {
            throw refusesStream;
        }
        if (silent) {
            return null;
        }
        Entry entry = entries.get(uri);
        return new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                if (full) {
                    throw new IOException("ENOSPC");
                }
                entry.contents.write(b);
            }
        };
    }

    public final int update(Uri uri, ContentValues values, String where, String[] arguments) {
        if (refusesUpdate != null) {
            throw refusesUpdate;
        }
        if (forgetful) {
            return 0;
        }
        entries.get(uri).values.putAll(values.all);
        return 1;
    }

    public final int delete(Uri url, String where, String[] arguments) {
        if (refusesDelete != null) {
            throw refusesDelete;
        }
        return entries.remove(url) == null ? 0 : 1;
    }
}
