package android.content;

import java.util.HashMap;
import java.util.Map;

public final class ContentValues {
    public final Map<String, Object> all = new HashMap<>();

    public void put(String key, String value) {
        all.put(key, value);
    }

    public void put(String key, Integer value) {
        all.put(key, value);
    }
}
