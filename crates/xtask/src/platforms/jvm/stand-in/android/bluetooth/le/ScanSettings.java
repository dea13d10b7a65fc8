package android.bluetooth.le;

public final class ScanSettings {
    public static final int CALLBACK_TYPE_ALL_MATCHES = 1;
    public static final int SCAN_MODE_LOW_LATENCY = 2;
    public static final int SCAN_MODE_LOW_POWER = 0;

    /** What it is where nobody says. */
    public int mode = SCAN_MODE_LOW_POWER;

    public static final class Builder {
        private final ScanSettings settings = new ScanSettings();

        public Builder setCallbackType(int type) {
            return this;
        }

        public Builder setLegacy(boolean legacy) {
            return this;
        }

        public Builder setScanMode(int mode) {
            settings.mode = mode;
            return this;
        }

        public ScanSettings build() {
            return settings;
        }
    }
}
