"""For use inside jobs: mail (`toolkit.email`) and commands on other machines (`toolkit.ssh`)."""
