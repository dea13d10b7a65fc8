package com.google.android.material.dialog;

import android.content.Context;
import android.content.DialogInterface;

public class MaterialAlertDialogBuilder {
    public MaterialAlertDialogBuilder(Context context) {}

    public MaterialAlertDialogBuilder setTitle(int text) {
        return this;
    }

    public MaterialAlertDialogBuilder setMessage(int text) {
        return this;
    }

    public MaterialAlertDialogBuilder setPositiveButton(int text, DialogInterface.OnClickListener listener) {
        return this;
    }

    public MaterialAlertDialogBuilder setNegativeButton(int text, DialogInterface.OnClickListener listener) {
        return this;
    }

    public MaterialAlertDialogBuilder setOnCancelListener(DialogInterface.OnCancelListener listener) {
        return this;
    }

    public Object show() {
        return this;
    }
}
