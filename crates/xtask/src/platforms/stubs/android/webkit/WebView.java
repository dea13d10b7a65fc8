package android.webkit;

public class WebView {
    public WebSettings getSettings() {
        throw new UnsupportedOperationException();
    }

    public boolean canGoBack() {
        throw new UnsupportedOperationException();
    }

    public void goBack() {}

    public void evaluateJavascript(String script, ValueCallback<String> callback) {}
}
