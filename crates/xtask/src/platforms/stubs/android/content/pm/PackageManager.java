package android.content.pm;

public abstract class PackageManager {
    public static final String FEATURE_BLUETOOTH_LE = "android.hardware.bluetooth_le";
    public static final int PERMISSION_GRANTED = 0;

    public boolean hasSystemFeature(String name) {
        throw new UnsupportedOperationException();
    }
}
