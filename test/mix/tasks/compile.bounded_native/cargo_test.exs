defmodule Mix.Tasks.Compile.BoundedNative.CargoTest do
  use ExUnit.Case, async: true

  alias Mix.Tasks.Compile.BoundedNative.Cargo

  # Cargo puts each object in one line; here it is folded for the reader.
  defp artifact(name, types, filenames) do
    ~s({"reason":"compiler-artifact","package_id":"path+file:///p#bounded@0.1.0","target":) <>
      ~s({"kind":#{types},"crate_types":#{types},"name":"#{name}","edition":"2024"},) <>
      ~s("features":["filenames"],"filenames":#{filenames},"executable":null,"fresh":true})
  end

  test "finds the library among other crates, findings and messages" do
    output =
      Enum.join(
        [
          "   Compiling bounded_nif v0.1.0 (/p/native/nif)",
          artifact("bounded_core", ~s(["lib"]), ~s(["/p/libbounded_core.rlib"])),
          artifact("bounded_nif_macros", ~s(["cdylib"]), ~s(["/p/libother.so"])),
          artifact("bounded_nif", ~s(["cdylib"]), ~s(["/p/target/debug/libbounded_nif.so"])),
          ~s({"reason":"build-finished","success":true})
        ],
        "\n"
      )

    assert Cargo.library(output, "bounded_nif") == {:ok, "/p/target/debug/libbounded_nif.so"}
    assert Cargo.library(output, "bounded_core") == :error
  end

  test "reads paths with blanks, quotes, backslashes and other alphabets" do
    for {json, path} <- [
          {~S(["/a b/\"c\"/libbounded_nif.so"]), ~S(/a b/"c"/libbounded_nif.so)},
          {~S(["C:\\new\\tmp\\bounded_nif.dll"]), ~S(C:\new\tmp\bounded_nif.dll)},
          {~S(["/größe/é]/x.dylib"]), "/größe/é]/x.dylib"},
          {~S(["/bell\u0007/x.so"]), "/bell\a/x.so"}
        ] do
      assert Cargo.library(artifact("bounded_nif", ~s(["cdylib"]), json), "bounded_nif") ==
               {:ok, path}
    end
  end

  test "takes the library, not what lies beside it, and does not mind blanks" do
    json = ~S( [ "C:\\x.pdb" , "C:\\x.dll.lib", "C:\\x.dll" ] )
    assert {:ok, "C:\\x.dll"} = Cargo.library(artifact("n", ~s(["cdylib"]), json), "n")
    assert Cargo.library(artifact("n", ~s(["cdylib"]), "[]"), "n") == :error
    assert Cargo.library("", "n") == :error
  end

  test "errors and warnings become diagnostics at their places" do
    output = """
    warning: unused variable: `x`
     --> native/core/src/quota.rs:12:9
       |
    error[E0308]: mismatched types
      --> native/nif/src/lib.rs:3:17
       |
    error: could not compile `bounded_nif` (lib) due to 1 previous error
    """

    assert [warning, error] = Cargo.diagnostics(output)
    assert %{severity: :warning, position: {12, 9, 12, 9}, compiler_name: "Cargo"} = warning
    assert warning.message == "unused variable: `x`"
    assert warning.file == Path.expand("native/core/src/quota.rs")
    assert %{severity: :error, message: "mismatched types", position: {3, 17, 3, 17}} = error
  end

  test "an error that points at no line is a diagnostic of the crate" do
    assert [%{severity: :error, message: "linking with `cc` failed: exit status: 1", position: 0}] =
             Cargo.diagnostics("error: linking with `cc` failed: exit status: 1\n  |\n")

    assert Cargo.diagnostics("    Finished `dev` profile") == []
  end

  test "says what to install" do
    assert Cargo.advice(:missing) =~ "https://rustup.rs"
    assert Cargo.advice("error: linker `cc` not found") =~ "apt-get install gcc"

    assert Cargo.advice(~s(error occurred in cc-rs: failed to find tool "cc": No such file)) =~
             "apt-get install gcc"

    assert Cargo.advice("/usr/bin/ld: cannot find Scrt1.o: No such file") =~ "libc6-dev"
    assert Cargo.advice("alloc.h:9: fatal error: stdint.h: No such file or directory") =~ "libc6"

    assert Cargo.advice("error: rustc 1.80.0 is not supported by the following package") =~
             "rustup update"

    assert Cargo.advice("error[E0308]: mismatched types") == nil
  end
end
