package android.bluetooth;

import android.content.Context;
import java.util.ArrayList;
import java.util.List;

public final class BluetoothDevice {
    public static final int TRANSPORT_LE = 2;

    /** Each connection that was asked for. */
    public final List<BluetoothGatt> gatts = new ArrayList<>();

    public BluetoothGatt connectGatt(Context context, boolean autoConnect, BluetoothGattCallback callback) {
        throw new AssertionError("a connection whose transport is Android's guess");
    }

    public BluetoothGatt connectGatt(
            Context context, boolean autoConnect, BluetoothGattCallback callback, int transport) {
        if (autoConnect || transport != TRANSPORT_LE) {
            throw new AssertionError("not a direct connection over LE");
        }
        BluetoothGatt gatt = new BluetoothGatt(callback);
        gatts.add(gatt);
        return gatt;
    }

    public String getAddress() {
        return "11:22:33:44:55:66";
    }

    public String getName() {
        return null;
    }
}
