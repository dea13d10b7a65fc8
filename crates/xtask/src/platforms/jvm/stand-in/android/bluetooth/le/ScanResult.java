package android.bluetooth.le;

public final class ScanResult {}
