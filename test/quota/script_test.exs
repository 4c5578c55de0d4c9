defmodule Quota.ScriptTest do
  # Outside of the test's own node: nothing of the application may be needed.
  use ExUnit.Case, async: true

  @moduletag timeout: 120_000

  defp script(code, options \\ []) do
    paths = Enum.flat_map(:code.get_path(), &["-pa", to_string(&1)])
    elixir = System.find_executable("elixir")
    System.cmd(elixir, paths ++ ["-e", code], [stderr_to_stdout: true] ++ options)
  end

  @work """
  grow = fn grow, list -> grow.(grow, [list | list]) end
  run = fn ->
    :done = Quota.run(1_000_000, fn -> :done end)
    {:error, %{category: :heap}} = Quota.try_run(1_000_000, fn -> grow.(grow, []) end)
    {:error, %Quota.TimeoutError{}} = Quota.try_run(1_000_000, fn -> Process.sleep(:infinity) end, timeout: 5)
  end
  """

  test "quotas work before the application is started and after it is stopped" do
    assert {"ok\n", 0} =
             script("""
             Logger.configure(level: :warning)
             #{@work}
             run.()
             false = List.keymember?(Application.started_applications(), :bounded, 0)
             {:ok, _} = Application.ensure_all_started(:bounded)
             run.()
             :ok = Application.stop(:bounded)
             run.()
             IO.puts("ok")
             """)
  end

  test "where the application is not loaded either, the place it ballooned at is not one of this library" do
    assert {"last seen in :my_script.work/0\n", 0} =
             script("""
             usage = %Quota.Usage{heap: 2, binaries: 0, native: 0, total: 2}
             stack = [{BoundedXml.Reader, :fold, 3, []}, {:lists, :foldl, 3, []}, {:my_script, :work, 0, []}]
             error = %Quota.ExceededError{limit: 1, category: :heap, usage: usage, stacktrace: stack}
             [_, seen] = Regex.run(~r/, (last seen in .*?)\\. /, Exception.message(error))
             IO.puts(seen)
             """)
  end

  @tag :tmp_dir
  test "a folder called bounded in the code path does not hide the library", %{tmp_dir: dir} do
    folder = Path.join(dir, "bounded")
    File.mkdir!(folder)

    assert {"#{folder}: works\n", 0} ==
             script(
               """
               :code.add_patha(String.to_charlist(File.cwd!()))
               IO.puts("\#{:code.lib_dir(:bounded)}: \#{Quota.run(1_000_000, fn -> :works end)}")
               """,
               cd: folder
             )
  end
end
