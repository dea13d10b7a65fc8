package android.content;

import android.net.Uri;
import android.os.Parcelable;

public class Intent {
    public static final String ACTION_MAIN = "android.intent.action.MAIN";
    public static final String ACTION_SEND = "android.intent.action.SEND";
    public static final String ACTION_VIEW = "android.intent.action.VIEW";
    public static final String EXTRA_STREAM = "android.intent.extra.STREAM";
    public static final int FLAG_ACTIVITY_LAUNCHED_FROM_HISTORY = 0x00100000;
    public static final int FLAG_ACTIVITY_NEW_TASK = 0x10000000;
    public static final int FLAG_GRANT_READ_URI_PERMISSION = 0x00000001;

    public Intent(String action) {}

    public Intent(String action, Uri data) {}

    public static Intent createChooser(Intent target, CharSequence title) {
        throw new UnsupportedOperationException();
    }

    public String getAction() {
        throw new UnsupportedOperationException();
    }

    public int getFlags() {
        throw new UnsupportedOperationException();
    }

    public String getStringExtra(String name) {
        throw new UnsupportedOperationException();
    }

    public Intent setType(String type) {
        return this;
    }

    public Intent putExtra(String name, Parcelable value) {
        return this;
    }

    public Intent addFlags(int flags) {
        return this;
    }
}
