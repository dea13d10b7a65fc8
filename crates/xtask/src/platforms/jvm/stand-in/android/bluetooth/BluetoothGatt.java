package android.bluetooth;

import java.util.Collections;
import java.util.List;
import java.util.UUID;

/** One of the few clients that a phone has: whoever does not close it keeps it. */
public final class BluetoothGatt {
    public static final int GATT_SUCCESS = 0;
    public static final int STATE_DISCONNECTED = 0;
    public static final int STATE_CONNECTED = 2;

    private final BluetoothGattCallback callback;
    public boolean closed = false;
    public boolean disconnected = false;

    BluetoothGatt(BluetoothGattCallback callback) {
        this.callback = callback;
    }

    /** The phone tells what became of the connection, as on its Binder thread. A closed client hears nothing. */
    public void tell(int status, int state) {
        if (!closed) {
            callback.onConnectionStateChange(this, status, state);
        }
    }

    /** Reconnecting: what `autoConnect` does, slowly and without a limit. */
    public boolean connect() {
        throw new AssertionError("an old client was used again");
    }

    public void disconnect() {
        if (closed) {
            throw new AssertionError("a closed client was used");
        }
        disconnected = true;
    }

    public void close() {
        if (closed) {
            throw new AssertionError("closed twice");
        }
        closed = true;
    }

    public boolean discoverServices() {
        return false;
    }

    public List<BluetoothGattService> getServices() {
        return Collections.emptyList();
    }

    public BluetoothGattService getService(UUID uuid) {
        return null;
    }

    public boolean requestConnectionPriority(int priority) {
        return true;
    }

    public boolean requestMtu(int mtu) {
        return true;
    }

    public boolean readRemoteRssi() {
        return true;
    }

    public boolean readCharacteristic(BluetoothGattCharacteristic characteristic) {
        return true;
    }

    public boolean writeCharacteristic(BluetoothGattCharacteristic characteristic) {
        return true;
    }

    public boolean setCharacteristicNotification(BluetoothGattCharacteristic characteristic, boolean enable) {
        return true;
    }

    public boolean readDescriptor(BluetoothGattDescriptor descriptor) {
        return true;
    }

    public boolean writeDescriptor(BluetoothGattDescriptor descriptor) {
        return true;
    }
}
