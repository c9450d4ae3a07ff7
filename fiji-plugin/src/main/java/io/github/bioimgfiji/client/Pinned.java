package io.github.bioimgfiji.client;

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/**
 * TLS with one certificate: the one whose fingerprint the user has noted, and no other.
 *
 * <p>Names and dates do not matter then: the certificate is known.
 */
final class Pinned {
  private static final int DIGITS = 64;

  /** One for each fingerprint, so that Java can use connections and TLS sessions again. */
  private static final Map<String, SSLSocketFactory> FACTORIES = new ConcurrentHashMap<>();

  private Pinned() {}

  /** Tells that the server shows another certificate. */
  static final class OtherCertificateException extends CertificateException {
    private static final long serialVersionUID = 1L;

    OtherCertificateException(String found) {
      super("its certificate has the fingerprint " + found);
    }
  }

  /**
   * Gives the error of a certificate among the causes of another error, or null. A handshake that
   * was cut off has none.
   */
  static CertificateException otherCertificate(Throwable error) {
    for (Throwable each = error; each != null; each = each.getCause()) {
      if (each instanceof CertificateException) {
        return (CertificateException) each;
      }
    }
    return null;
  }

  /** Makes a request accept exactly the certificate of this fingerprint. */
  static void apply(HttpsURLConnection request, String fingerprint) {
    request.setSSLSocketFactory(FACTORIES.computeIfAbsent(fingerprint, Pinned::factory));
    request.setHostnameVerifier((host, session) -> true);
  }

  private static SSLSocketFactory factory(String fingerprint) {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(null, new TrustManager[] {new One(fingerprint)}, null);
      return context.getSocketFactory();
    } catch (GeneralSecurityException noTls) {
      throw new IllegalStateException("This Java has no TLS.", noTls);
    }
  }

  /**
   * Gives a fingerprint in the one form, AB:CD:...; "" for a text that is none.
   *
   * @param text 64 hex digits, with or without colons and blanks
   */
  static String form(String text) {
    String digits = text.replaceAll("[\\s:]", "").toUpperCase(Locale.ROOT);
    return digits.matches("[0-9A-F]{" + DIGITS + "}") ? digits.replaceAll("(..)(?!$)", "$1:") : "";
  }

  private static String of(X509Certificate certificate) throws CertificateException {
    try {
      byte[] sum = MessageDigest.getInstance("SHA-256").digest(certificate.getEncoded());
      StringBuilder digits = new StringBuilder();
      for (byte each : sum) {
        digits.append(String.format("%02X", each));
      }
      return form(digits.toString());
    } catch (NoSuchAlgorithmException impossible) {
      throw new CertificateException(impossible);
    }
  }

  /** Trusts one certificate. */
  private static final class One implements X509TrustManager {
    private final String fingerprint;

    One(String fingerprint) {
      this.fingerprint = fingerprint;
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String method)
        throws CertificateException {
      String found = of(chain[0]);
      if (!found.equals(fingerprint)) {
        throw new OtherCertificateException(found);
      }
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String method)
        throws CertificateException {
      throw new CertificateException("This is no server.");
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }
}
