package androidx.core.view;

import androidx.core.graphics.Insets;

public class WindowInsetsCompat {
    public static final WindowInsetsCompat CONSUMED = null;

    public Insets getInsets(int types) {
        throw new UnsupportedOperationException();
    }

    public static final class Type {
        public static int systemBars() {
            throw new UnsupportedOperationException();
        }

        public static int displayCutout() {
            throw new UnsupportedOperationException();
        }

        public static int ime() {
            throw new UnsupportedOperationException();
        }
    }
}
