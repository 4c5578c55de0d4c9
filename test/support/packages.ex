defmodule Bounded.Test.Packages do
  @moduledoc false
  # The package as a user gets it, in a directory elsewhere, and Mix run there.

  @variables ~w(BOUNDED_NIF BOUNDED_BUILD CARGO_BUILD_TARGET TARGET_ARCH TARGET_OS TARGET_ABI)

  @doc "Copies exactly the package's files to `dir`."
  def copy(dir) do
    for file <- Mix.Project.config()[:package][:files], File.exists?(file) do
      target = Path.join(dir, file)
      File.mkdir_p!(Path.dirname(target))
      File.cp_r!(file, target)
    end
  end

  @doc "Variables for Mix in `env`, without those that say where the library comes from."
  def environment(env), do: [{"MIX_ENV", env} | for(name <- @variables, do: {name, nil})]

  def mix(dir, args, env), do: System.cmd("mix", args, cd: dir, env: env, stderr_to_stdout: true)

  @doc "What `mix` prints; raises when it fails."
  def mix!(dir, args, env) do
    {output, status} = mix(dir, args, env)
    if status != 0, do: raise("mix #{Enum.join(args, " ")} exited with #{status}:\n#{output}")
    output
  end

  @doc """
  A PATH without the program `name`.

  It may lie beside everything else that is needed: such a directory is replaced by one in `dir`, of links to the rest.
  """
  def path_without(name, dir) do
    System.get_env("PATH")
    |> String.split(":")
    |> Enum.with_index()
    |> Enum.map_join(":", fn {directory, index} ->
      if File.exists?(Path.join(directory, name)),
        do: links(directory, name, Path.join(dir, "path#{index}")),
        else: directory
    end)
  end

  defp links(directory, name, links) do
    File.mkdir_p!(links)

    for file <- File.ls!(directory), file != name do
      File.ln_s!(Path.join(directory, file), Path.join(links, file))
    end

    links
  end
end
