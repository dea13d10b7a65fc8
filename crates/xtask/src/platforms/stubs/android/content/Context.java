package android.content;

import android.content.res.Resources;

public abstract class Context {
    public static final int MODE_PRIVATE = 0;

    public int checkSelfPermission(String permission) {
        throw new UnsupportedOperationException();
    }

    public SharedPreferences getSharedPreferences(String name, int mode) {
        throw new UnsupportedOperationException();
    }

    public Resources getResources() {
        throw new UnsupportedOperationException();
    }

    public String getPackageName() {
        throw new UnsupportedOperationException();
    }

    public void startActivity(Intent intent) {
        throw new UnsupportedOperationException();
    }
}
