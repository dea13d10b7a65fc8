package android.webkit;

import android.content.pm.PackageInfo;

public class WebView {
    public static PackageInfo getCurrentWebViewPackage() {
        throw new UnsupportedOperationException();
    }

    public WebSettings getSettings() {
        throw new UnsupportedOperationException();
    }

    public boolean canGoBack() {
        throw new UnsupportedOperationException();
    }

    public void goBack() {}

    public void evaluateJavascript(String script, ValueCallback<String> callback) {}
}
