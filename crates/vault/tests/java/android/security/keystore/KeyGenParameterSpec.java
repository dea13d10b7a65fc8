package android.security.keystore;

import java.security.spec.AlgorithmParameterSpec;

/** The part of Android's class that is used, with Android's signatures (API level 28). */
public final class KeyGenParameterSpec implements AlgorithmParameterSpec {
  public final String alias;
  public final int purposes;
  public final AlgorithmParameterSpec parameters;
  public final String[] digests;
  public final boolean strongBox;

  private KeyGenParameterSpec(Builder builder) {
    alias = builder.alias;
    purposes = builder.purposes;
    parameters = builder.parameters;
    digests = builder.digests;
    strongBox = builder.strongBox;
  }

  public static final class Builder {
    private final String alias;
    private final int purposes;
    private AlgorithmParameterSpec parameters;
    private String[] digests;
    private boolean strongBox;

    public Builder(String keystoreAlias, int purposes) {
      alias = keystoreAlias;
      this.purposes = purposes;
    }

    public Builder setAlgorithmParameterSpec(AlgorithmParameterSpec spec) {
      parameters = spec;
      return this;
    }

    public Builder setDigests(String... digests) {
      this.digests = digests;
      return this;
    }

    // since 28
    public Builder setIsStrongBoxBacked(boolean isStrongBoxBacked) {
      strongBox = isStrongBoxBacked;
      return this;
    }
    // end

    public KeyGenParameterSpec build() {
      return new KeyGenParameterSpec(this);
    }
  }
}
