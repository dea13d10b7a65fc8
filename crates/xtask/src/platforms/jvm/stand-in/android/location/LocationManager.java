package android.location;

public class LocationManager {
    public static final String GPS_PROVIDER = "gps";
    public static final String MODE_CHANGED_ACTION = "android.location.MODE_CHANGED";
    public static final String NETWORK_PROVIDER = "network";

    public boolean on = true;

    public boolean isLocationEnabled() {
        if (android.os.Build.VERSION.SDK_INT < 28) {
            throw new NoSuchMethodError("isLocationEnabled");
        }
        return on;
    }

    public boolean isProviderEnabled(String provider) {
        return on && provider.equals(NETWORK_PROVIDER);
    }
}
