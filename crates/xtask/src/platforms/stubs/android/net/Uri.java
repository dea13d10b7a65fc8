package android.net;

import android.os.Parcelable;

public abstract class Uri implements Parcelable {
    public static Uri fromParts(String scheme, String part, String fragment) {
        throw new UnsupportedOperationException();
    }

    public static Uri parse(String text) {
        throw new UnsupportedOperationException();
    }
}
