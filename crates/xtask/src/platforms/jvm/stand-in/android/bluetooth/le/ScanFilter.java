package android.bluetooth.le;

import android.os.ParcelUuid;

public final class ScanFilter {
    public static final class Builder {
        public Builder setServiceUuid(ParcelUuid uuid) {
            return this;
        }

        public ScanFilter build() {
            return new ScanFilter();
        }
    }
}
