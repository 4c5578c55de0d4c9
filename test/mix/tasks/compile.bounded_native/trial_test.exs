defmodule Mix.Tasks.Compile.BoundedNative.TrialTest do
  use ExUnit.Case, async: true

  alias Mix.Tasks.Compile.BoundedNative.Trial

  @moduletag :tmp_dir
  @moduletag timeout: 900_000

  setup_all do
    {:ok, library: File.read!(Application.app_dir(:bounded, "priv/native/bounded_nif.so"))}
  end

  defp load(content, dir), do: Trial.load(content, Application.app_dir(:bounded, "ebin"), dir)

  test "this package's own library loads, and nothing of the trial is left", %{
    tmp_dir: dir,
    library: library
  } do
    assert load(library, dir) == :ok
    assert File.ls!(dir) == []
  end

  test "what is no library, half of one or another's is refused with the VM's reason", %{
    tmp_dir: dir,
    library: library
  } do
    for junk <- ["", "junk"] do
      assert {:error, reason} = load(junk, dir)
      assert reason =~ "Failed to load NIF library"
    end

    # The start of a library can crash a VM that maps it.
    assert {:error, _} = library |> binary_part(0, 4096) |> load(dir)

    [other | _] = Path.wildcard("#{:code.lib_dir()}/{crypto,asn1}-*/priv/lib/*.so")
    assert {:error, reason} = load(File.read!(other), dir)
    assert reason =~ ~r/Library module name|Elixir.Bounded.Native/
    assert File.ls!(dir) == []
  end

  @tag skip: if(!System.find_executable("cc"), do: "no C compiler is here")
  test "a library that does not return is refused after the limit, and its VM is gone", %{
    tmp_dir: dir
  } do
    source = Path.join(dir, "hangs.c")
    library = Path.join(dir, "hangs.so")

    pid = Path.join(dir, "pid")

    File.write!(source, """
    #include <stdio.h>
    #include <unistd.h>
    __attribute__((constructor)) static void hang(void) {
      FILE *file = fopen(#{inspect(pid)}, "w");
      fprintf(file, "%d", (int) getpid());
      fclose(file);
      for (;;) pause();
    }
    """)

    {"", 0} = System.cmd("cc", ["-shared", "-fPIC", "-o", library, source])
    content = File.read!(library)
    scratch = Path.join(dir, "scratch")
    ebin = Application.app_dir(:bounded, "ebin")
    assert {:error, reason} = Trial.load(content, ebin, scratch, 3_000)
    assert reason =~ "had not ended after 3000 ms"
    assert File.ls!(scratch) == []
    assert :os.cmd(~c"kill -0 #{File.read!(pid)}") != []
  end

  test "a library for a machine that this one cannot run is known by its header", %{
    library: library
  } do
    {:ok, %{triple: host}} = Mix.Tasks.Compile.BoundedNative.Target.detect(%{})
    assert Trial.inspect_header(library, host) == :ok
    [own | rest] = String.split(host, "-")
    foreign = Enum.join([if(own == "aarch64", do: "x86_64", else: "aarch64") | rest], "-")

    assert Trial.inspect_header(library, foreign) ==
             {:error, "it is for another processor than #{foreign}"}

    assert {:error, "it is neither" <> _} = Trial.inspect_header("junk", host)

    # An ELF file of either byte order, and a Mach-O file.
    elf = fn endian, machine -> <<0x7F, "ELF", 2, endian, 0::80, 2::16>> <> machine end
    [arm, intel] = ["aarch64-apple-darwin", "x86_64-unknown-linux-gnu"]
    assert Trial.inspect_header(elf.(2, <<62::16>>) <> "nif_init", intel) == :ok
    assert {:error, "it is for another" <> _} = Trial.inspect_header(elf.(2, <<183::16>>), intel)
    mach = <<0xFEEDFACF::little-32, 0x0100000C::little-32, "nif_init">>
    assert Trial.inspect_header(mach, arm) == :ok
    assert {:error, "it is for another" <> _} = Trial.inspect_header(mach, intel)

    assert {:error, "it has no function" <> _} =
             library |> binary_part(0, 64) |> Trial.inspect_header(host)
  end
end
