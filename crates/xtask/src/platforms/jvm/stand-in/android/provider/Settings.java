package android.provider;

import android.content.ContentResolver;

public final class Settings {
    public static final String ACTION_APPLICATION_DETAILS_SETTINGS = "android.settings.APPLICATION_DETAILS_SETTINGS";
    public static final String ACTION_BLUETOOTH_SETTINGS = "android.settings.BLUETOOTH_SETTINGS";
    public static final String ACTION_LOCATION_SOURCE_SETTINGS = "android.settings.LOCATION_SOURCE_SETTINGS";

    public static final class Global {
        public static final String DEVICE_NAME = "device_name";
        public static String given = null;

        public static String getString(ContentResolver resolver, String name) {
            return name.equals(DEVICE_NAME) ? given : null;
        }
    }
}
