package android.os;

/** The version can be changed, which javac must not know. */
public class Build {
    public static String MANUFACTURER = "";
    public static String MODEL = "";

    public static class VERSION {
        public static int SDK_INT = 34;
    }

    public static class VERSION_CODES {
        public static final int P = 28;
        public static final int Q = 29;
        public static final int S = 31;
        public static final int TIRAMISU = 33;
    }
}
