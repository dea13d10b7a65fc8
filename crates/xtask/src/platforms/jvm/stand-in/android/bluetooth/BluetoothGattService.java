package android.bluetooth;

import java.util.Collections;
import java.util.List;
import java.util.UUID;

public class BluetoothGattService {
    public UUID getUuid() {
        return null;
    }

    public boolean isPrimary() {
        return true;
    }

    public int getType() {
        return 0;
    }

    public List<BluetoothGattCharacteristic> getCharacteristics() {
        return Collections.emptyList();
    }
}
