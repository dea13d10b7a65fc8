package android.bluetooth;

import java.util.Collections;
import java.util.List;
import java.util.UUID;

public class BluetoothGattCharacteristic {
    public static final int WRITE_TYPE_DEFAULT = 2;
    public static final int WRITE_TYPE_NO_RESPONSE = 1;
    public static final int PROPERTY_INDICATE = 32;
    public static final int PROPERTY_NOTIFY = 16;

    private final UUID uuid;

    public BluetoothGattCharacteristic(UUID uuid, int properties, int permissions) {
        this.uuid = uuid;
    }

    public UUID getUuid() {
        return uuid;
    }

    public int getProperties() {
        return 0;
    }

    public int getPermissions() {
        return 0;
    }

    public BluetoothGattDescriptor getDescriptor(UUID uuid) {
        return null;
    }

    public List<BluetoothGattDescriptor> getDescriptors() {
        return Collections.emptyList();
    }

    public BluetoothGattService getService() {
        return null;
    }

    public byte[] getValue() {
        return new byte[0];
    }

    public boolean setValue(byte[] value) {
        return true;
    }

    public void setWriteType(int type) {}
}
