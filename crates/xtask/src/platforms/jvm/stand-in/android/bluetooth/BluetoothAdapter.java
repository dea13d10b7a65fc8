package android.bluetooth;

import android.bluetooth.le.BluetoothLeScanner;

public final class BluetoothAdapter {
    public static final String ACTION_REQUEST_ENABLE = "android.bluetooth.adapter.action.REQUEST_ENABLE";
    public static final String ACTION_STATE_CHANGED = "android.bluetooth.adapter.action.STATE_CHANGED";

    /** The phone's; none where it has none. */
    public static BluetoothAdapter phone = new BluetoothAdapter();

    public boolean enabled = true;
    public final BluetoothLeScanner scanner = new BluetoothLeScanner();
    public BluetoothDevice device = new BluetoothDevice();

    public static BluetoothAdapter getDefaultAdapter() {
        return phone;
    }

    public boolean isEnabled() {
        return enabled;
    }

    public BluetoothDevice getRemoteDevice(String address) {
        return device;
    }

    /** None while Bluetooth is off. */
    public BluetoothLeScanner getBluetoothLeScanner() {
        return enabled ? scanner : null;
    }
}
