package android.content;

public abstract class Context {
    public static final int MODE_PRIVATE = 0;

    public int checkSelfPermission(String permission) {
        throw new UnsupportedOperationException();
    }

    public SharedPreferences getSharedPreferences(String name, int mode) {
        throw new UnsupportedOperationException();
    }
}
