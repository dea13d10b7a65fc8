package android.bluetooth.le;

import java.util.ArrayList;
import java.util.List;

public final class BluetoothLeScanner {
    public final List<ScanSettings> started = new ArrayList<>();
    public ScanCallback callback;

    public void startScan(List<ScanFilter> filters, ScanSettings settings, ScanCallback callback) {
        started.add(settings);
        this.callback = callback;
    }

    public void stopScan(ScanCallback callback) {
        this.callback = null;
    }
}
