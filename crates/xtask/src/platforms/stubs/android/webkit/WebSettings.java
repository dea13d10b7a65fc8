package android.webkit;

public abstract class WebSettings {
    public abstract int getTextZoom();

    public abstract void setTextZoom(int percent);
}
