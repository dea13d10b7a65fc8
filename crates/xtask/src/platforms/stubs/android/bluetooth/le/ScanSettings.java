package android.bluetooth.le;

public final class ScanSettings {
    public static final int SCAN_MODE_LOW_LATENCY = 2;
    public static final int SCAN_MODE_LOW_POWER = 0;
}
