package android.os;

public class Build {
    public static final String MANUFACTURER = String.valueOf("");
    public static final String MODEL = String.valueOf("");

    public static class VERSION {
        public static final int SDK_INT = Integer.parseInt("31");
    }

    public static class VERSION_CODES {
        public static final int P = 28;
        public static final int Q = 29;
        public static final int S = 31;
        public static final int TIRAMISU = 33;
    }
}
