package android.bluetooth;

import java.util.UUID;

public class BluetoothGattDescriptor {
    public static final byte[] ENABLE_NOTIFICATION_VALUE = {1, 0};
    public static final byte[] ENABLE_INDICATION_VALUE = {2, 0};
    public static final byte[] DISABLE_NOTIFICATION_VALUE = {0, 0};

    public UUID getUuid() {
        return null;
    }

    public BluetoothGattCharacteristic getCharacteristic() {
        return null;
    }

    public byte[] getValue() {
        return new byte[0];
    }

    public boolean setValue(byte[] value) {
        return true;
    }
}
