package android.location;

public class LocationManager {
    public static final String GPS_PROVIDER = "gps";
    public static final String MODE_CHANGED_ACTION = "android.location.MODE_CHANGED";
    public static final String NETWORK_PROVIDER = "network";

    public boolean isLocationEnabled() {
        throw new UnsupportedOperationException();
    }

    public boolean isProviderEnabled(String provider) {
        throw new UnsupportedOperationException();
    }
}
