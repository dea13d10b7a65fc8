package app.postern;

import android.security.keystore.KeyGenParameterSpec;
import android.security.keystore.StrongBoxUnavailableException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.InvalidAlgorithmParameterException;
import java.security.InvalidKeyException;
import java.security.Key;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyPairGeneratorSpi;
import java.security.KeyStoreSpi;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Security;
import java.security.Signature;
import java.security.SignatureException;
import java.security.SignatureSpi;
import java.security.cert.Certificate;
import java.security.spec.AlgorithmParameterSpec;
import java.security.spec.ECGenParameterSpec;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.Enumeration;
import java.util.HashMap;
import java.util.Map;

/**
 * A provider that behaves as Android's Keystore does towards the app: keys are made by alias and specification, cannot
 * be read out, and sign only through it. The cryptography is this Java's own.
 */
public final class AndroidKeystore extends Provider {
  private static final Map<String, Entry> KEYS = new HashMap<>();
  private static String strongBox;

  private AndroidKeystore() {
    super("AndroidKeyStore", "1", "stands in for Android's");
    put("KeyStore.AndroidKeyStore", Store.class.getName());
    put("KeyPairGenerator.EC", Generator.class.getName());
    put("Signature.SHA256withECDSA", Signer.class.getName());
  }

  /** What its StrongBox does: "works", "absent", "fails" in a way of its own, or "fails halfway". */
  public static void install(String strongBox) {
    AndroidKeystore.strongBox = strongBox;
    Security.addProvider(new AndroidKeystore());
  }

  /** How many keys there are; those in the StrongBox only. */
  public static int count(boolean strongBox) {
    return (int) KEYS.values().stream().filter(entry -> entry == null || entry.strongBox || !strongBox).count();
  }

  /** A private key that has no encoding. */
  private static final class Opaque implements PrivateKey {
    private final PrivateKey hidden;

    Opaque(PrivateKey hidden) {
      this.hidden = hidden;
    }

    @Override
    public String getAlgorithm() {
      return "EC";
    }

    @Override
    public String getFormat() {
      return null;
    }

    @Override
    public byte[] getEncoded() {
      return null;
    }
  }

  private static final class Entry {
    final PublicKey publicKey;
    final Opaque privateKey;
    final boolean strongBox;

    Entry(KeyPair pair, boolean strongBox) {
      publicKey = pair.getPublic();
      privateKey = new Opaque(pair.getPrivate());
      this.strongBox = strongBox;
    }
  }

  private static final class SelfSigned extends Certificate {
    private final PublicKey publicKey;

    SelfSigned(PublicKey publicKey) {
      super("X.509");
      this.publicKey = publicKey;
    }

    @Override
    public byte[] getEncoded() {
      throw new UnsupportedOperationException();
    }

    @Override
    public void verify(PublicKey key) {}

    @Override
    public void verify(PublicKey key, String provider) {}

    @Override
    public String toString() {
      return "self-signed";
    }

    @Override
    public PublicKey getPublicKey() {
      return publicKey;
    }
  }

  public static final class Generator extends KeyPairGeneratorSpi {
    private KeyGenParameterSpec spec;

    @Override
    public void initialize(int size, SecureRandom random) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void initialize(AlgorithmParameterSpec parameters, SecureRandom random)
        throws InvalidAlgorithmParameterException {
      spec = (KeyGenParameterSpec) parameters;
      boolean curve = ((ECGenParameterSpec) spec.parameters).getName().equals("secp256r1");
      if (!curve || spec.purposes != 4 || !Arrays.equals(spec.digests, new String[] {"SHA-256"})) {
        throw new InvalidAlgorithmParameterException();
      }
    }

    @Override
    public KeyPair generateKeyPair() {
      if (spec.strongBox && !strongBox.equals("works")) {
        if (strongBox.equals("absent")) {
          throw new StrongBoxUnavailableException();
        }
        if (strongBox.equals("fails halfway")) {
          KEYS.put(spec.alias, null);
        }
        throw new java.security.ProviderException("Keystore key generation failed");
      }
      try {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", "SunEC");
        generator.initialize(spec.parameters);
        Entry entry = new Entry(generator.generateKeyPair(), spec.strongBox);
        KEYS.put(spec.alias, entry);
        return new KeyPair(entry.publicKey, entry.privateKey);
      } catch (java.security.GeneralSecurityException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  public static final class Signer extends SignatureSpi {
    private Signature signature;

    @Override
    protected void engineInitSign(PrivateKey key) throws InvalidKeyException {
      if (!(key instanceof Opaque)) {
        throw new InvalidKeyException("not of this keystore");
      }
      try {
        signature = Signature.getInstance("SHA256withECDSA", "SunEC");
      } catch (java.security.GeneralSecurityException e) {
        throw new IllegalStateException(e);
      }
      signature.initSign(((Opaque) key).hidden);
    }

    @Override
    protected void engineInitVerify(PublicKey key) {
      throw new UnsupportedOperationException();
    }

    @Override
    protected void engineUpdate(byte b) throws SignatureException {
      signature.update(b);
    }

    @Override
    protected void engineUpdate(byte[] bytes, int from, int length) throws SignatureException {
      signature.update(bytes, from, length);
    }

    @Override
    protected byte[] engineSign() throws SignatureException {
      return signature.sign();
    }

    @Override
    protected boolean engineVerify(byte[] bytes) {
      throw new UnsupportedOperationException();
    }

    @Override
    @Deprecated
    protected void engineSetParameter(String name, Object value) {
      throw new UnsupportedOperationException();
    }

    @Override
    @Deprecated
    protected Object engineGetParameter(String name) {
      throw new UnsupportedOperationException();
    }
  }

  public static final class Store extends KeyStoreSpi {
    @Override
    public Key engineGetKey(String alias, char[] password) {
      Entry entry = KEYS.get(alias);
      return entry == null ? null : entry.privateKey;
    }

    @Override
    public Certificate engineGetCertificate(String alias) {
      Entry entry = KEYS.get(alias);
      return entry == null ? null : new SelfSigned(entry.publicKey);
    }

    @Override
    public Certificate[] engineGetCertificateChain(String alias) {
      return new Certificate[] {engineGetCertificate(alias)};
    }

    @Override
    public Date engineGetCreationDate(String alias) {
      return new Date(0);
    }

    @Override
    public void engineSetKeyEntry(String alias, Key key, char[] password, Certificate[] chain) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void engineSetKeyEntry(String alias, byte[] key, Certificate[] chain) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void engineSetCertificateEntry(String alias, Certificate certificate) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void engineDeleteEntry(String alias) {
      KEYS.remove(alias);
    }

    @Override
    public Enumeration<String> engineAliases() {
      return Collections.enumeration(KEYS.keySet());
    }

    @Override
    public boolean engineContainsAlias(String alias) {
      return KEYS.containsKey(alias);
    }

    @Override
    public int engineSize() {
      return KEYS.size();
    }

    @Override
    public boolean engineIsKeyEntry(String alias) {
      return engineContainsAlias(alias);
    }

    @Override
    public boolean engineIsCertificateEntry(String alias) {
      return false;
    }

    @Override
    public String engineGetCertificateAlias(Certificate certificate) {
      return null;
    }

    @Override
    public void engineStore(OutputStream stream, char[] password) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void engineLoad(InputStream stream, char[] password) {}
  }
}
