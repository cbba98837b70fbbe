# Installs the checkout that this file is in:
#
#   brew tap-new --no-git anec/local
#   ln -s "$PWD/packaging/homebrew/anec.rb" "$(brew --repository anec/local)/Formula/anec.rb"
#   brew install --HEAD anec/local/anec
#
# A tap would name its repository in `head`, and a release's tarball (make release) in `url` and `sha256`.
class Anec < Formula
  checkout = File.expand_path("../../..", File.realpath(__FILE__)) # Homebrew evaluates the link

  desc "Language models on Apple's Neural Engine, without Core ML's conversion stack"
  homepage "file://#{checkout}/README.md"
  license "MIT"
  head "file://#{checkout}", using: :git, branch: "main"

  depends_on "bison" => :build # macOS has 2.3; 3.6 is needed
  depends_on "re2c" => :build
  depends_on "uthash" => :build
  depends_on "jansson"
  depends_on "protobuf-c"
  depends_on "utf8proc"

  uses_from_macos "curl"
  uses_from_macos "libedit"

  on_linux do
    depends_on "openssl@3"
  end

  def install
    system "make", "install", "PREFIX=#{prefix}", "BREW=#{HOMEBREW_PREFIX}",
           "BISON=#{Formula["bison"].opt_bin}/bison"
  end

  test do
    small = %w[layers=1 dim=64 heads=2 vocab=100 context=32].flat_map { |setting| ["--set", setting] }
    system bin/"anec", pkgshare/"models/gpt2.anel", "--random-weights", "1", *small, "-o", "small.pkg"
    system bin/"anerun", "small.pkg", "--ids", "1,2,3", "--logits", "logits"
    assert_equal 3 * 100 * 4, File.size(testpath/"logits")
    assert_match(/^anec \d/, shell_output("#{bin}/anec --version"))
  end
end
