package android.os;

public final class ParcelUuid {
    public static ParcelUuid fromString(String uuid) {
        return new ParcelUuid();
    }
}
