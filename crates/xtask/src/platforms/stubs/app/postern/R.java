package app.postern;

public final class R {
    public static final class string {
        public static final int bluetooth_title = 1;
        public static final int bluetooth_rationale = 2;
        public static final int bluetooth_rationale_location = 3;
        public static final int bluetooth_go_on = 4;
        public static final int bluetooth_not_now = 5;
        public static final int web_view_title = 6;
        public static final int web_view_old = 7;
        public static final int web_view_update = 8;
    }
}
