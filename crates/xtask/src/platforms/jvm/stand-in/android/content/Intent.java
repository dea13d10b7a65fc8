package android.content;

import android.net.Uri;
import android.os.BadParcelableException;
import android.os.Parcelable;
import java.util.HashMap;
import java.util.Map;

public class Intent {
    public static final String ACTION_CHOOSER = "android.intent.action.CHOOSER";
    public static final String ACTION_MAIN = "android.intent.action.MAIN";
    public static final String ACTION_SEND = "android.intent.action.SEND";
    public static final String ACTION_VIEW = "android.intent.action.VIEW";
    public static final String EXTRA_STREAM = "android.intent.extra.STREAM";
    public static final int FLAG_ACTIVITY_LAUNCHED_FROM_HISTORY = 0x00100000;
    public static final int FLAG_ACTIVITY_NEW_TASK = 0x10000000;
    public static final int FLAG_GRANT_READ_URI_PERMISSION = 0x00000001;

    public final String action;
    public final Uri data;
    public final Map<String, Parcelable> extras = new HashMap<>();
    /** None where they cannot be unpacked. */
    public Map<String, String> texts = new HashMap<>();
    public int flags = 0;
    public String type;
    public Intent target;

    public Intent(String action) {
        this(action, null);
    }

    public Intent(String action, Uri data) {
        this.action = action;
        this.data = data;
    }

    public static Intent createChooser(Intent target, CharSequence title) {
        Intent chooser = new Intent(ACTION_CHOOSER);
        chooser.target = target;
        return chooser;
    }

    public Intent setType(String type) {
        this.type = type;
        return this;
    }

    public Intent putExtra(String name, Parcelable value) {
        extras.put(name, value);
        return this;
    }

    public String getAction() {
        return action;
    }

    public int getFlags() {
        return flags;
    }

    public String getStringExtra(String name) {
        if (texts == null) {
            throw new BadParcelableException("ClassNotFoundException when unmarshalling");
        }
        return texts.get(name);
    }

    public Intent addFlags(int flags) {
        this.flags |= flags;
        return this;
    }
}
