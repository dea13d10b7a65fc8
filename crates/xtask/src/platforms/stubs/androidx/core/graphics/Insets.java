package androidx.core.graphics;

public final class Insets {
    public int left;
    public int top;
    public int right;
    public int bottom;
}
