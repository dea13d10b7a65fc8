package android.bluetooth.le;

public abstract class ScanCallback {
    public static final int SCAN_FAILED_SCANNING_TOO_FREQUENTLY = 6;

    public void onScanResult(int callbackType, ScanResult result) {}

    public void onScanFailed(int errorCode) {}
}
