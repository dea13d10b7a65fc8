package android.content;

import android.net.Uri;

public class Intent {
    public static final int FLAG_ACTIVITY_NEW_TASK = 0x10000000;

    public Intent(String action) {}

    public Intent(String action, Uri data) {}

    public Intent addFlags(int flags) {
        return this;
    }
}
